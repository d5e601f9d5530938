"""Keep the experiments of this machine going: what nobody asks for is done here.

admission    Who may start: experiments ask for room, and begin or grow once they get it
adoption     Take on what is on the disk already
news         Hear from the shims, through a FIFO, which attempt has news
report       Describe how an experiment is, for the person who owns it, from what is known of its attempts
settling     Bring one attempt on: start its shim, see to it that an ordered end comes
supervision  Keep the experiments of this machine going
tasks        What is done unasked: tasks of which none is forgotten, and whose failures end nothing else
"""
