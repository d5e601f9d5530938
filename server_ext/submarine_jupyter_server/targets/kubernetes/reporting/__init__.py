"""What became of experiments: reported as it comes, an experiment that is gone once that is sure.

absence        Why an object of an experiment is not on the cluster
disappearance  Make sure that an experiment is gone before it is called gone, and find out why
reporter       Report to the service what became of experiments
"""
