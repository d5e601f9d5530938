"""Requests to one API server: credentials, rights, paths, and what an answer means.

cluster        One Kubernetes cluster as one user sees it
credentials    What requests are authenticated with, kept fresh
discovery      What a cluster serves of the kinds this target knows; needs no rights beyond those everybody has
errors         How a request to the API server fails: it said no, or nobody knows
object_calls   Requests for single objects, with answers in words of ours: done, refused, not known
own_namespace  The namespace of a context or of a pod, found in files alone
paths          Where objects are in the Kubernetes API
proxies        Which proxy leads to a server, decided as kubectl does (Go's `net/http.ProxyFromEnvironment`)
rights         What this server may do on a cluster, compared with what it needs: ``docs/deploy/role.yaml``
transport      Requests to one API server over aiohttp: calls and streams, each with connections of their own
verdicts       What an answer of the API server means for a request
"""
