# SPDX-License-Identifier: Apache-2.0
"""Many devices that publish numbered QoS 1 messages and, when they are cut, come back and send again what was not
acknowledged: at least once, in order, as a well-made device does."""
import json
import threading
import time

import mqtt_client

WINDOW = 20


class Publisher(threading.Thread):
    """One device's thread. `acknowledged` are the numbers for which a PUBACK came."""

    def __init__(self, lab, device, count, first=0, stop=None, rate=None):
        super().__init__(daemon=True)
        self.lab, self.device = lab, device
        self.numbers = range(first, first + count)
        self.stop = stop or threading.Event()
        self.window = 1 if rate else WINDOW
        self.rate = rate  # messages a second; None: as fast as acknowledgements come
        self.acknowledged = set()
        self.connections = 0
        self.connected = False
        self.refused_acks = []  # PUBACKs with an error code: with the default policy there must be none
        self.failure = None

    def run(self):
        try:
            while len(self.acknowledged) < len(self.numbers) and not self.stop.is_set():
                try:
                    self._one_connection()
                except (mqtt_client.Refused, mqtt_client.Closed, TimeoutError, OSError):
                    self.stop.wait(0.1)
        except Exception as error:  # noqa: BLE001 - reported by the story
            self.failure = error

    def _one_connection(self):
        client = self.lab.client(self.device, timeout=10).connect()
        self.connections += 1
        self.connected = True
        in_flight = {}
        pending = [n for n in self.numbers if n not in self.acknowledged]
        try:
            position = 0
            while (position < len(pending) or in_flight) and not self.stop.is_set():
                while position < len(pending) and len(in_flight) < self.window:
                    number = pending[position]
                    position += 1
                    message = json.dumps({"seq": number, "value": number / 10})
                    in_flight[client.send_publish(self.device.topic("telemetry/load"), message)] = number
                if self.rate:
                    self.stop.wait(1 / self.rate)
                if in_flight:
                    client.pump(time.monotonic() + 10)
                self._take_answers(client, in_flight)
        finally:
            self.connected = False
            # What was acknowledged just before the end counts too.
            self._take_answers(client, in_flight)
            client.disconnect()

    def _take_answers(self, client, in_flight):
        for kind, identifier, codes in client.answers:
            if kind == mqtt_client.PUBACK and identifier in in_flight:
                number = in_flight.pop(identifier)
                if codes[0] >= 0x80:
                    self.refused_acks.append((number, codes[0]))
                else:
                    self.acknowledged.add(number)
        client.answers.clear()


class Fleet:
    def __init__(self, lab, devices, messages_each, first=0, rate=None):
        self.stop_event = threading.Event()
        self.publishers = [Publisher(lab, d, messages_each, first, self.stop_event, rate) for d in devices]

    def start(self):
        for publisher in self.publishers:
            publisher.start()
        return self

    def acknowledged(self):
        return sum(len(p.acknowledged) for p in self.publishers)

    def finished(self):
        return not any(p.is_alive() for p in self.publishers)

    def join(self, timeout):
        """True when every message was acknowledged by the deadline."""
        deadline = time.monotonic() + timeout
        for publisher in self.publishers:
            publisher.join(max(0.0, deadline - time.monotonic()))
        done = self.finished()
        self.stop()
        return done and all(len(p.acknowledged) == len(p.numbers) for p in self.publishers)

    def stop(self):
        self.stop_event.set()
        for publisher in self.publishers:
            publisher.join(15)

    def acknowledged_by_device(self):
        return {p.device.principal: set(p.acknowledged) for p in self.publishers}

    def faults(self):
        return [str(p.failure) for p in self.publishers if p.failure] + [r for p in self.publishers for r in p.refused_acks]


def numbers_by_device(lab, records):
    """{principal: [numbers in the log's order]} of raw records, as they lie in each partition."""
    found = {}
    for record in sorted(records, key=lambda r: (r["partition"], r["offset"])):
        try:
            number = json.loads(lab.payload(record))["seq"]
        except (ValueError, KeyError, TypeError):
            continue
        found.setdefault(record["key"], []).append(number)
    return found


def without_duplicates(numbers):
    return list(dict.fromkeys(numbers))


def check_log(check, lab, acknowledged, records, moment):
    """The promise of the log: every acknowledged message is there, in order per device after de-duplication."""
    found = numbers_by_device(lab, records)
    missing = {d: sorted(n - set(found.get(d, [])))[:5] for d, n in acknowledged.items() if n - set(found.get(d, []))}
    total = sum(len(n) for n in acknowledged.values())
    check(not missing, f"{moment}: all {total} acknowledged messages are in the log", missing)
    disordered = [d for d, n in found.items() if without_duplicates(n) != sorted(set(n))]
    check(not disordered, f"{moment}: in order per device after de-duplication", disordered[:3])
    copies = sum(len(n) - len(set(n)) for n in found.values())
    identities = [(r["partition"], r["offset"]) for r in records]
    check(len(identities) == len(set(identities)), f"{moment}: no record was read twice ({copies} re-sent by devices)")
