"""All of this project that is inside the sandbox; it imports nothing from outside this folder."""
