"""The application: samples, PromQL, records, policy, journeys, server, web and command line."""
