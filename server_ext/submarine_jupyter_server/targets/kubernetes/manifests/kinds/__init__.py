"""One module per kind of object that an experiment can become.

indexed_jobs  Plain Indexed Jobs, which every cluster runs
jobset        A JobSet: one replicated Indexed Job per role, ended together, admitted together by Kueue
kubeflow      What the three kinds of the Kubeflow Training Operator v1 have in common
pytorchjob    PyTorch as a PyTorchJob: with a Master the operator gives the ranks
role_jobs     One Indexed Job per role: what plain Jobs and JobSets have in common
tfjob         TensorFlow as a TFJob: the operator gives TF_CONFIG
xgboostjob    XGBoost as an XGBoostJob, which has to have a Master: the tracker runs there
"""
