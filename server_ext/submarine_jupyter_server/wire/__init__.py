"""Bodies and parameters in, answers out: all text of the REST API is read and made here.

answers         what services return of experiments and logs, as values, and the document's JSON of them
conditions      conditions of lists on parameters and metrics
curves          metrics, as values and as JSON
frames          requests and answers of the stream
list_parameters the parameters that choose what a list shows, for OpenAPI
log_answers     what was found in logs, as values and as JSON
log_queries     what the URL asks for in logs
notes           what people note about an experiment
openapi         the OpenAPI document
openapi_logs    what finds something in logs, for that document
parameters      parameters of URLs, strictly
queries         what the URL and the headers ask for, as values
rows            one experiment in one compact row
specs           bodies -> specs, specs -> the texts that are stored
"""
