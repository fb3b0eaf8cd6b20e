"""Runs a broker, or writes messages to one, with Kafka's own client library.

    topics.py broker [RTT]                    a cluster in memory; prints its address and stays
    topics.py write BROKERS TOPIC FILE        each line of a file is a message, with a key
    topics.py flow BROKERS TOPIC PER_SECOND   until its input is closed; prints how many it wrote
    topics.py say BROKERS TOPIC KEY TEXT [HEADER=VALUE …]
    topics.py file BROKERS TOPIC FILE         a whole file is a message

RTT is how many milliseconds each answer of the broker takes.
"""

import json
import select
import sys
import time


def broker(rtt=0):
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {"bootstrap.servers": "x", "test.mock.num.brokers": 1, "test.mock.broker.rtt": rtt}
    )
    brokers = client.list_topics(timeout=30).brokers.values()
    print([f"{own.host}:{own.port}" for own in brokers][0], flush=True)
    sys.stdin.read()


class Writer:
    def __init__(self, brokers, topic):
        from confluent_kafka import Producer

        # Batches of a size, since a broker in memory gives one at a time.
        self.producer = Producer(
            {"bootstrap.servers": brokers, "compression.type": "zstd", "linger.ms": 100}
        )
        self.topic = topic
        self.failed = 0

    def write(self, value, key=None, headers=None):
        def told(error, _message):
            self.failed += error is not None

        while True:
            try:
                self.producer.produce(
                    self.topic, value=value, key=key, headers=headers, on_delivery=told
                )
                return
            except BufferError:
                self.producer.poll(0.1)

    def end(self):
        left = self.producer.flush(60)
        assert left == 0 and self.failed == 0, (left, self.failed)


def flow(writer, per_second):
    begun, written = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        while written < (time.monotonic() - begun) * per_second:
            writer.write(json.dumps({"x": written % 1000}).encode())
            written += 1
        writer.producer.poll(0)
    writer.end()
    print(written, flush=True)


def main():
    what, *rest = sys.argv[1:]
    match what, rest:
        case "broker", []:
            broker()
        case "broker", [rtt]:
            broker(int(rtt))
        case "flow", [brokers, topic, per_second]:
            flow(Writer(brokers, topic), float(per_second))
        case "write", [brokers, topic, path]:
            writer = Writer(brokers, topic)
            with open(path, "rb") as lines:
                for at, line in enumerate(lines):
                    writer.write(line.rstrip(), key=f"key-{at}".encode())
            writer.end()
        case "file", [brokers, topic, path]:
            writer = Writer(brokers, topic)
            with open(path, "rb") as file:
                writer.write(file.read())
            writer.end()
        case "say", [brokers, topic, key, text, *headers]:
            writer = Writer(brokers, topic)
            pairs = [header.split("=", 1) for header in headers]
            headers = [(name, value.encode()) for name, value in pairs]
            writer.write(text.encode(), key=key.encode(), headers=headers)
            writer.end()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
