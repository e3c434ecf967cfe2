"""Adapter: releases as signed documents, environments of packages, and a service manager."""
