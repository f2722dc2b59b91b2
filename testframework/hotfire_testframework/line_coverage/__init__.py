"""Line coverage of gcov and coverage.py as the bitmaps that Hotfire stores."""
