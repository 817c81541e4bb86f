"""What is predicted: one folder a task, with its numbers, figures and words."""
