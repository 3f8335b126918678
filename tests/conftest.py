"""What all tests share."""

from hypothesis import settings

# A busy machine makes any example slow now and then: time belongs in benchmarks.
settings.register_profile("fq", deadline=None)
settings.load_profile("fq")
