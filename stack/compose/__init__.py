"""What docker-compose.yaml needs beside its services: secrets on the host, and the steps of its one-shots `init` and `lab-init`."""
