"""The report as one self-contained HTML file. `page` renders it; the rest makes what its templates show."""
