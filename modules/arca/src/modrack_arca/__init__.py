"""arca orchestrates work of several phases: ordered, retried with a cap, staged at the host, published in the shape that is asked for.

It calls no module itself and chooses no provider: it asks the host to run pipelines, with the grant that the host gave it.
"""
