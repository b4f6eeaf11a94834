"""What the service manager that started us is told: see `service.report`."""
