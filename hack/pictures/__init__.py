"""Dashboards as pictures: what their queries gave while a system ran, drawn for people who have no Grafana at hand."""
