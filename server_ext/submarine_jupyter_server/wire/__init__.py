"""Bodies and parameters in, answers out: all text of the REST API is read and made here.

answers/     what services return, as values, and the JSON of them
comparison/  experiments side by side, as values and as JSON
openapi/     the OpenAPI document: a module for each topic of the API
queries/     what the URL and the headers ask for, as values
encoding     compact JSON, and times as the API writes them
frames       requests and answers of the stream
notes        what people note about an experiment
rows         one experiment in one compact row
specs        bodies -> specs, specs -> the texts that are stored
"""
