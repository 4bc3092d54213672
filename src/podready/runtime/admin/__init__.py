"""The admin port: HTTP server, probe answers, pages, /metrics, /loggers."""
