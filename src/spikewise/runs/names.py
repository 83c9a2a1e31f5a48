"""Names of the files of a run folder, and of the folder of each of its exit settings."""

MODEL_FILE, TRACE_FILE = "model.safetensors", "trace.npz"
PICTURES = "pictures"  # folder of figures
WORKLOAD_FILE = "workload.json"  # of full runs; with exit in the folder of each setting
EXIT_FILE, CHOICE_FILE, COST_FILE, GALLERY_FILE = "exit.json", "choice.json", "cost.json", "gallery.npz"
