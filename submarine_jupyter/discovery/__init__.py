"""Find the Submarine server that belongs to this kernel, or start a personal one.

connection         Find the Submarine server that belongs to this kernel
login_environment  The environment a server of one's own gets from a kernel
personal           A server of one's own for kernels that no Jupyter Server has started
processes          What a process id stands for now
running            The Jupyter Servers of this user on this machine, as their runtime files name them
"""
