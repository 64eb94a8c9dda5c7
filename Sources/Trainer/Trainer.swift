// GRPO: see design notes.
