"""Bodies and parameters in, answers out: all text of the REST API is read and made here.

answers     stored experiments -> the document's JSON
openapi     the OpenAPI document
parameters  parameters of URLs, strictly
specs       bodies -> specs, query strings -> filters
"""
