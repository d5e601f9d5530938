"""What the JSON of pods and jobs means: views of objects, whose they are, the status of an experiment.

reasons/          why something does not run, or failed
diagnosis         Why an experiment does not run, or failed: one sentence for the person who started it
experiment_state  All that is known of one experiment on the cluster, put together from the streams
ownership         Whose each object is: by the uids that the cluster gave to what was made for us
projection        Projections: raw JSON of the API server -> view
replica_status    How each replica of an experiment is
snapshot          What is known of one experiment, and what of it counts for its present attempt
status            From the snapshot of one experiment to its status
views             What is kept of the cluster's objects
"""
