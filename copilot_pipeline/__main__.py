"""`python -m copilot_pipeline`: the same as the `copilot-pipeline` command, wherever the scripts folder is."""

from copilot_pipeline.cli import main

if __name__ == "__main__":
    main()
