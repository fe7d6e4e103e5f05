"""What a sweep tries unless it is told otherwise; names alone, so that nothing heavy is imported for a help text."""

AUTO = ("auto",)
MODELS = ("squeezenet1_1", "alexnet", "resnet18", "resnet34", "resnet50")
POOLS = ("gap", "max", "gem:3", "avg:3", "avg:4", "avg:5", "rmac")
MAX_DIMS = 2000
