"""Bodies and parameters in, answers out: all text of the REST API is read and made here.

comparison/  experiments side by side, as values and as JSON
openapi/     the OpenAPI document: a module for each topic of the API
answers      what services return of experiments and logs, as values, and the document's JSON of them
conditions   conditions of lists on parameters and metrics
curves       metrics, as values and as JSON
forecasts    whether an experiment starts, and how one waits
frames       requests and answers of the stream
log_answers  what was found in logs, as values and as JSON
log_queries  what the URL asks for in logs
notes        what people note about an experiment
parameters   parameters of URLs, strictly
queries      what the URL and the headers ask for, as values
rows         one experiment in one compact row
specs        bodies -> specs, specs -> the texts that are stored
"""
