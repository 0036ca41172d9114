"""dator shapes service work at the edge: it publishes offers, shapes calls and answers, and accepts no more than was offered.

It calls nothing and asks the host for nothing: all that it does is in its decisions.
"""
