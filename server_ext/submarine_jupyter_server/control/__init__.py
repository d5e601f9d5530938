"""The one server of a data directory that gives orders: it delivers, observes and reconciles.

comparison      Bring the row of one experiment into line with what was found of it on a target
delivery        Carry out what was decided: the outbox between the database and the targets
election        Which of several servers on one data directory gives orders to the targets
leader          What the one server does that gives the orders: start the targets, deliver, compare and back up
lifecycle       The life of an experiment: what a target saw becomes its status, once and in order
neighbours      The other servers on the data directory
order_progress  What becomes of an order, in one transaction each
reconcile       Make the database and the targets agree: at start, every few minutes, and on doubt
refusals        What a refusal by the target means: it ends what it refuses, and nothing else
restoration     Write the row of an experiment again that the database has lost
silence         Say on every experiment that waits for it that the server which gives the orders is silent
waiters         Who waits for which order: an answer belongs to one order, never to whatever ends next
"""
