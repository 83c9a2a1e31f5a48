"""Tables for the terminal and for Markdown: one file for each command or kind of thing that is shown."""
