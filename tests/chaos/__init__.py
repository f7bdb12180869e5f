"""The proof that nothing is lost and nothing sent twice, whatever dies: `make chaos`.

A round runs the real service with two dispatchers against a simulated ESP that goes wrong, kills
its processes with `kill -9` while campaigns are sent, and then compares three accounts of every
message: what the ESP accepted, what the service says of it, and what was promised.
"""
