"""Names of the files of a run folder, and of the folder of each of its exit settings."""

MODEL_FILE, TRACE_FILE = "model.safetensors", "trace.npz"
PICTURES = "pictures"  # folder of figures
WORKLOAD_FILE = "workload.json"  # of full runs; with exit in the folder of each setting
CHECKPOINT = "checkpoint.safetensors"  # interrupted learning goes on from it
HISTORY_FILE, CARD_FILE, PAGE_FILE = "training.csv", "model.json", "report.html"
EXITS = "exits"  # folder of the exit settings
EXIT_FILE, CHOICE_FILE, COST_FILE, GALLERY_FILE = "exit.json", "choice.json", "cost.json", "gallery.npz"
OF_A_RUN = (
    MODEL_FILE, CARD_FILE, CHECKPOINT, HISTORY_FILE, TRACE_FILE, WORKLOAD_FILE, PAGE_FILE, PICTURES, EXITS,
)  # fmt: skip
"""What a run writes into its folder, besides ``run.json`` and its lock."""
