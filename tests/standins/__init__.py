"""Model definitions small enough to train within a test, one for each kind of estimator."""
