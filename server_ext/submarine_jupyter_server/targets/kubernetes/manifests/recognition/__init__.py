"""What we write on objects to know them again, and whether an object that was found is ours.

metadata    Names, labels and annotations: the ids in labels, what people wrote in annotations
own_record  Read the record on an experiment's own object: only what we can have written there ourselves
owned       What belongs to an experiment's own object, and whether something that has its name already is it
seal        Two signatures on what we make, so that nobody who may write in a namespace can give us an object as
"""
