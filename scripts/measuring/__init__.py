"""What the scripts that measure have in common: options, processes, figures in files and pages."""
