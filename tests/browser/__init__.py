"""Tests in a real browser; a package, so that its modules may be named as those beside it."""
