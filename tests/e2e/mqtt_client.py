# SPDX-License-Identifier: Apache-2.0
"""A small MQTT 3.1.1 and 5 client that shows exactly what the broker answered, which friendlier clients hide.

One thread: every call reads the socket until it has what it waits for or its deadline passes.
"""
import select
import socket
import ssl
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = (
    1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14)


class Refused(Exception):
    """The connection was not opened. `stage` is "tcp", "tls", "closed" (no CONNACK) or "connack" with its `code`."""

    def __init__(self, stage, code=None, detail=""):
        super().__init__(f"{stage} {code if code is not None else ''} {detail}".strip())
        self.stage, self.code = stage, code


class Closed(Exception):
    """The broker closed the connection; `code` is the reason of its DISCONNECT (MQTT 5), if it sent one."""

    def __init__(self, code=None):
        super().__init__(f"closed by the broker, reason {code}")
        self.code = code


def _text(value):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack("!H", len(value)) + value


def _packet(first, body):
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([first]) + bytes(digits) + body


def tls_context(certificate=None, key=None, *, session_tickets=True, maximum=None):
    """Server names are not the stories' subject; the broker's certificate is checked by mosquitto_pub and paho."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    if not session_tickets:
        context.options |= ssl.OP_NO_TICKET
    if maximum:
        context.maximum_version = maximum
    return context


class Client:
    """`version` 4 is MQTT 3.1.1, 5 is MQTT 5. A fresh object for every connection."""

    def __init__(self, port, context, client_id, *, version=5, clean=True, keepalive=60, session_expiry=0, will=None,
                 server_name=None, session=None, timeout=10):
        self.port, self.context, self.client_id, self.version = port, context, client_id, version
        self.clean, self.keepalive, self.session_expiry, self.will = clean, keepalive, session_expiry, will
        self.server_name, self.session, self.timeout = server_name, session, timeout
        self.socket = None
        self.buffer = bytearray()
        self.messages = []  # (topic, payload, retain)
        self.answers = []   # (type, packet id, reason codes)
        self.session_present = False
        self.closed = None  # a Closed once the connection is gone
        self.next_id = 0

    # --- opening -------------------------------------------------------------------------------------------------

    def connect(self):
        """Returns self when the broker accepted; raises Refused."""
        try:
            plain = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Refused("tcp", detail=str(error)) from error
        try:
            self.socket = self.context.wrap_socket(plain, server_hostname=self.server_name, session=self.session)
        except OSError as error:
            plain.close()
            raise Refused("tls", detail=str(error)) from error
        try:
            self._send(self._connect_packet())
            kind, flags, body = self._wait_packet(lambda k, f, b: k == CONNACK, self.timeout)
        except (Closed, OSError) as error:
            detail = str(self.closed.__cause__ if self.closed and self.closed.__cause__ else error)
            self._drop()
            # With TLS 1.3 the client's side of the handshake ends before the server has judged the certificate.
            raise Refused("tls" if "alert" in detail.lower() else "closed", detail=detail) from error
        if body[1] != 0:
            self._drop()
            raise Refused("connack", body[1])
        self.session_present = bool(body[0] & 1)
        return self

    def _connect_packet(self):
        flags = 0x02 if self.clean else 0
        payload = _text(self.client_id)
        properties = b""
        if self.version == 5:
            if self.session_expiry:
                properties = b"\x11" + struct.pack("!I", self.session_expiry)
            properties = bytes([len(properties)]) + properties
        if self.will:
            topic, message, qos, retain = self.will
            flags |= 0x04 | qos << 3 | (0x20 if retain else 0)
            payload += (b"\x00" if self.version == 5 else b"") + _text(topic) + _text(message)
        header = _text("MQTT") + bytes([self.version, flags]) + struct.pack("!H", self.keepalive)
        return _packet(CONNECT << 4, header + properties + payload)

    # --- talking -------------------------------------------------------------------------------------------------

    def publish(self, topic, payload, *, qos=1, retain=False, timeout=10):
        """Returns the PUBACK's reason code (0 with MQTT 3.1.1), None for QoS 0; raises Closed when it was cut.
        "No matching subscribers" (0x10) is success too, and returned as 0."""
        identifier = self.send_publish(topic, payload, qos=qos, retain=retain)
        if not qos:
            return None
        code = self.wait_answer(PUBACK, identifier, timeout)[0]
        return 0 if code == 0x10 else code

    def publish_code(self, topic, payload="{}", **options):
        """As publish(), with "closed" where the broker cut the connection instead."""
        try:
            return self.publish(topic, payload, **options)
        except Closed:
            return "closed"

    def send_publish(self, topic, payload, *, qos=1, retain=False):
        """Sends without waiting and returns the packet id."""
        identifier = self._new_id() if qos else 0
        body = _text(topic) + (struct.pack("!H", identifier) if qos else b"")
        body += (b"\x00" if self.version == 5 else b"") + (payload.encode() if isinstance(payload, str) else payload)
        self._send(_packet(PUBLISH << 4 | qos << 1 | int(retain), body))
        return identifier

    def subscribe(self, *filters, qos=1, timeout=10):
        """Returns the list of SUBACK codes: below 0x80 is granted."""
        identifier = self._new_id()
        body = struct.pack("!H", identifier) + (b"\x00" if self.version == 5 else b"")
        body += b"".join(_text(f) + bytes([qos]) for f in filters)
        self._send(_packet(SUBSCRIBE << 4 | 2, body))
        return list(self.wait_answer(SUBACK, identifier, timeout))

    def wait_answer(self, kind, identifier, timeout=10):
        deadline = time.monotonic() + timeout
        while True:
            for answer in self.answers:
                if answer[0] == kind and answer[1] == identifier:
                    self.answers.remove(answer)
                    return answer[2]
            self.pump(deadline)

    def wait_message(self, timeout=10):
        """The next message as (topic, payload, retain); None when none came."""
        deadline = time.monotonic() + timeout
        while not self.messages:
            try:
                self.pump(deadline)
            except (TimeoutError, Closed):
                return None
        return self.messages.pop(0)

    def ping(self, timeout=10):
        """A round trip: whatever the broker had sent before has arrived when this returns."""
        self._send(_packet(PINGREQ << 4, b""))
        self._wait_packet(lambda kind, f, b: kind == PINGRESP, timeout)

    def wait_closed(self, timeout=10):
        """The seconds until the broker closed the connection, or None when it is still open at the deadline."""
        start = time.monotonic()
        while self.closed is None:
            try:
                self.pump(start + timeout)
            except TimeoutError:
                return None
            except Closed:
                break
        return time.monotonic() - start

    def disconnect(self):
        """An orderly end: the will is not sent."""
        if self.closed is None:
            try:
                self._send(_packet(DISCONNECT << 4, b"\x00\x00" if self.version == 5 else b""))
            except (Closed, OSError):
                pass
        self._drop()

    def abort(self):
        """The cable is cut: the will is sent."""
        if self.socket:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop()

    # --- bytes ---------------------------------------------------------------------------------------------------

    def pump(self, deadline):
        """Reads until at least one packet was taken in. Raises TimeoutError at the deadline, Closed at the end."""
        self._wait_packet(lambda *packet: True, max(0.0, deadline - time.monotonic()))

    def poll(self):
        """Takes in what has arrived, without waiting."""
        try:
            while True:
                self._wait_packet(lambda *packet: True, 0)
        except TimeoutError:
            pass

    def _new_id(self):
        self.next_id = self.next_id % 65535 + 1
        return self.next_id

    def _send(self, data):
        if self.closed:
            raise self.closed
        try:
            self.socket.settimeout(self.timeout)
            self.socket.sendall(data)
        except OSError as error:
            self._end(error)

    def _wait_packet(self, wanted, timeout):
        deadline = time.monotonic() + timeout
        while True:
            packet = self._take_packet()
            if packet is None:
                self._read(deadline)
                continue
            self._note(*packet)
            if wanted(*packet):
                return packet

    def _read(self, deadline):
        if self.closed:
            raise self.closed
        if not self.socket.pending():
            wait = max(0.0, deadline - time.monotonic())
            if not select.select([self.socket], [], [], wait)[0]:
                raise TimeoutError("nothing from the broker")
        try:
            self.socket.settimeout(0)
            data = self.socket.recv(65536)
        except ssl.SSLWantReadError:
            return
        except OSError as error:
            self._end(error)
        if not data:
            self._end(None)
        self.buffer += data

    def _take_packet(self):
        length = 0
        for i in range(1, min(5, len(self.buffer))):
            length |= (self.buffer[i] & 0x7F) << 7 * (i - 1)
            if not self.buffer[i] & 0x80:
                end = i + 1 + length
                if len(self.buffer) < end:
                    return None
                first, body = self.buffer[0], bytes(self.buffer[i + 1:end])
                del self.buffer[:end]
                return first >> 4, first & 15, body
        return None

    def _note(self, kind, flags, body):
        if kind == PUBLISH:
            self._note_publish(flags, body)
        elif kind == PUBACK:
            self.answers.append((kind, struct.unpack("!H", body[:2])[0], (body[2] if len(body) > 2 else 0,)))
        elif kind == SUBACK:
            codes = body[2:] if self.version == 4 else body[3 + body[2]:]
            self.answers.append((kind, struct.unpack("!H", body[:2])[0], tuple(codes)))
        elif kind == DISCONNECT:
            self.closed = Closed(body[0] if body else 0)

    def _note_publish(self, flags, body):
        size = struct.unpack("!H", body[:2])[0]
        topic, rest = body[2:2 + size].decode(), body[2 + size:]
        if flags & 6:
            identifier, rest = rest[:2], rest[2:]
            self._send(_packet(PUBACK << 4, identifier))
        if self.version == 5:
            rest = rest[1 + rest[0]:]
        self.messages.append((topic, rest, bool(flags & 1)))

    def _end(self, error):
        if self.closed is None:
            self.closed = Closed()
            self.closed.__cause__ = error
        self._drop()
        raise self.closed

    def _drop(self):
        if self.closed is None:
            self.closed = Closed()
        if self.socket:
            self.socket.close()
            self.socket = None
