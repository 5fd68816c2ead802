"""Tests of the server, against real HTTP on the loopback interface."""
