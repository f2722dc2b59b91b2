"""What people look at: view models, templates and static assets."""
