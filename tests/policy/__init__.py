"""Tests of dbguard.policy."""
