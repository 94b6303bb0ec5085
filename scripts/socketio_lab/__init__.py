"""Flask-SocketIO under several workers, for tests, scripts/prove_socketio and bench_socketio."""
