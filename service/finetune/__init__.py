"""Fine-tuning: models that a worker of the pipelines trains further on a caller's series, and that the caller may use.

request ──> understood ──> an order with its panel, as a job ──> trained elsewhere ──> held here once somebody asks
"""
