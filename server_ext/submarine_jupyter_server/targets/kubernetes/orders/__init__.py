"""Carry out what the service orders: make, scale, end, keep the record signed.

create          Create one object of an experiment, or find that it is there already
deadlines       Have the Training Operator notice that the time of a job is over
end             End what an experiment has on the cluster, and know when that is gone
ensure          Carry out what is ordered: make, scale, replace; `Endings` stops and deletes
record_keeping  Keep the record on each own object signed, and give it its time to live once its end is stored
"""
