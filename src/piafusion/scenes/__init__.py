"""Painter of synthetic streets, by day and by night, seen by a colour and a thermal camera."""
