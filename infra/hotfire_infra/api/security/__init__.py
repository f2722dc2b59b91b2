"""What stands before the routes: names, credentials, limits, audit, sign-in."""
