"""What exists and who owns it: environments, clusters, services, workloads, secrets, teams, people."""
