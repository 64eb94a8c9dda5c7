#if Server
  import Foundation
  import ModelFiles
  import Support
  import TestSupport
  import Testing
  import TinaRuntime

  @testable import Serving

  /// A client that writes and reads bytes, well-formed or not. Its calls block.
  final class RawClient {
    private let file: Int32
    private var isOpen = true

    init(port: Int) throws {
      file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = UInt16(port).bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      var wait = timeval(tv_sec: 300, tv_usec: 0)
      unsafe setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
      let result = unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      try #require(result == 0)
    }

    deinit { leave() }

    func leave() {
      if isOpen { close(file) }
      isOpen = false
    }

    /// Whether the server took all of it.
    @discardableResult func send(_ text: String) -> Bool {
      let bytes = Array(text.utf8)
      var sent = 0
      while sent < bytes.count {
        let count = unsafe bytes.withUnsafeBytes {
          unsafe Foundation.send(
            file, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count <= 0 { return false }
        sent += count
      }
      return true
    }

    /// Reads until `isEnough`, or until the server closes.
    func read(until isEnough: (String) -> Bool = { _ in false }) -> String {
      var all: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65536)
      // Only the end is looked at, so that megabytes are not searched again with each piece.
      while !isEnough(String(decoding: all.suffix(4096), as: UTF8.self)) {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(file, $0.baseAddress, $0.count, 0) }
        if count <= 0 { break }
        all += buffer[..<count]
      }
      return String(decoding: all, as: UTF8.self)
    }
  }

  func post(_ path: String, _ body: String, _ more: String = "") -> String {
    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(more)"
      + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  @Suite struct HTTPTests {
    /// A server on a free port, stopped after `body`.
    func withServer(
      _ configure: (inout HTTPServer.Settings) -> Void = { _ in },
      _ body: (Int, Service, HTTPServer) async throws -> Void
    ) async throws {
      let service = try await picoService()
      var settings = HTTPServer.Settings()
      settings.port = 0
      // Other tests may keep Swift's own threads busy for long.
      (settings.receiveSeconds, settings.sendSeconds, settings.idleSeconds) = (300, 300, 300)
      configure(&settings)
      let server = HTTPServer(service, settings: settings)
      let port = try await server.start()
      try await body(port, service, server)
      #expect(await server.stop(grace: 10) == 0)
    }

    @Test func aConnectionServesManyRequests() async throws {
      try await withServer { port, _, _ in
        try await offPool {
          let client = try RawClient(port: port)
          for _ in 0..<3 {
            client.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            let reply = client.read { $0.contains(#"{"status":"ok","#) && $0.hasSuffix("}") }
            #expect(reply.hasPrefix("HTTP/1.1 200 OK\r\n"))
          }
          client.send(post("/tokenize", #"{"prompt": "1"}"#, "Connection: close\r\n"))
          let last = client.read()
          #expect(last.contains("Connection: close") && last.contains(#""count":"#))
          let head = try RawClient(port: port)
          head.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
          #expect(head.read().hasSuffix("\r\n\r\n"))
          let old = try RawClient(port: port)
          old.send("GET /health HTTP/1.0\r\n\r\n")
          #expect(old.read().contains(#"{"status":"ok","#))
        }
      }
    }

    @Test func anAddressThatIsTakenIsAnError() async throws {
      try await withServer { port, service, _ in
        var settings = HTTPServer.Settings()
        for (host, port, reason) in [
          ("127.0.0.1", port, "the port is taken"), ("203.0.113.1", 0, "none of this machine's"),
          ("no host", 0, "no such address"),
        ] {
          settings.host = host
          settings.port = port
          let server = HTTPServer(service, settings: settings)
          let error = await #expect(throws: ServingError.self) { _ = try await server.start() }
          #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
          _ = await server.stop(grace: 0)
        }
      }
    }

    @Test func aStreamComesInPieces() async throws {
      try await withServer { port, _, _ in
        try await offPool {
          let client = try RawClient(port: port)
          client.send(
            post("/v1/completions", #"{"model": "pico", "prompt": "1", "max_tokens": 5, "stream": true}"#))
          let text = client.read { $0.hasSuffix("\r\n0\r\n\r\n") }
          #expect(text.contains("transfer-encoding: chunked"))
          #expect(text.components(separatedBy: "data: ").count >= 3)
          #expect(text.contains("data: [DONE]"))
        }
      }
    }

    @Test func malformedRequestsAreAnsweredInTheSameForm() async throws {
      try await withServer({ $0.maxBodyBytes = 1000 }) { port, _, _ in
        try await offPool {
          let cases: [(String, Int)] = [
            (post("/tokenize", String(repeating: " ", count: 2000)), 413),
            (
              "POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n",
              413
            ),
            (
              "POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                + String(repeating: "ff\r\n\(String(repeating: "a", count: 255))\r\n", count: 5), 413
            ),
            ("NONSENSE\r\n\r\n", 400), ("GET /\u{1} HTTP/1.1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX: \(String(repeating: "a", count: 200_000))\r\n\r\n", 431),
          ]
          for (text, status) in cases {
            let client = try RawClient(port: port)
            client.send(text)
            let reply = client.read()
            #expect(reply.hasPrefix("HTTP/1.1 \(status) "), "\(text.prefix(60)): \(reply.prefix(80))")
            #expect(reply.contains(#"{"error":{"message":"#))
          }
        }
      }
    }

    @Test func bodiesTogetherAreLimited() async throws {
      try await withServer({ $0.maxTotalBodyBytes = 1000 }) { port, _, server in
        try await offPool {
          let part =
            "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 700\r\n\r\n"
            + String(repeating: " ", count: 600)
          let first = try RawClient(port: port)
          first.send(part)
          eventually { server.connections.bodyBytes == 600 }
          let second = try RawClient(port: port)
          second.send(part)
          #expect(second.read().hasPrefix("HTTP/1.1 429 "))
          // The first is answered, and its bytes are free again.
          first.send(String(repeating: " ", count: 100))
          #expect(first.read { $0.contains("}}") }.hasPrefix("HTTP/1.1 400 "))
          let third = try RawClient(port: port)
          third.send(part + String(repeating: " ", count: 100))
          #expect(third.read { $0.contains("}}") }.hasPrefix("HTTP/1.1 400 "))
        }
      }
    }

    @Test func expectedContinuesAreSent() async throws {
      try await withServer { port, _, _ in
        try await offPool {
          let client = try RawClient(port: port)
          let body = #"{"prompt": "1"}"#
          client.send(
            "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
              + "Expect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
          #expect(client.read { $0.hasSuffix("\r\n\r\n") }.hasPrefix("HTTP/1.1 100 "))
          client.send(body)
          #expect(client.read { $0.hasSuffix("}") }.contains("HTTP/1.1 200 OK"))
        }
      }
    }

    @Test func aClientsDisconnectIsNoticedWhileItWaits() async throws {
      try await withServer { port, service, _ in
        // Not streamed: nothing is written that could fail.
        let body = #"{"model": "pico", "prompt": "1", "max_tokens": 900, "n": 64, "temperature": 2}"#
        try await offPool {
          let client = try RawClient(port: port)
          client.send(post("/v1/completions", body))
          eventually { service.engine.statistics.tokensDrawn > 0 }
          client.leave()
        }
        await eventually { service.engine.statistics.running == 0 && service.admission.load.requests == 0 }
        #expect(service.engine.statistics.running == 0 && service.admission.load == Admission.Load())
        #expect(service.engine.statistics.tokensDrawn < 64 * 900)
      }
    }

    @Test func connectionsAreLimitedAndSilentOnesClosed() async throws {
      try await withServer({
        $0.maxConnections = 3
        $0.idleSeconds = 0.3
        $0.receiveSeconds = 0.3
      }) { port, _, server in
        try await offPool {
          let clients = try (0..<3).map { _ in try RawClient(port: port) }
          eventually { server.connections.count == 3 }
          let fourth = try RawClient(port: port)
          #expect(fourth.read() == "")
          // One says nothing, one never ends its request.
          clients[1].send("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12")
          #expect(clients[0].read() == "" && clients[1].read() == "")
          eventually { server.connections.count == 0 }
          let again = try RawClient(port: port)
          again.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
          #expect(again.read { $0.hasSuffix("}") }.contains("200 OK"))
        }
      }
    }

    @Test func aClientThatReadsNothingIsCutOff() async throws {
      try await withServer({ $0.sendSeconds = 0.3 }) { port, service, server in
        let body =
          #"{"model": "pico", "prompt": "1", "max_tokens": 900, "n": 64, "temperature": 2, "stream": true, "logprobs": 20}"#
        try await offPool {
          let client = try RawClient(port: port)
          client.send(post("/v1/completions", body))
          // Far more than the system's buffers hold is on its way.
          eventually { service.engine.statistics.tokensDrawn > 0 }
          eventually { server.connections.busy == 0 }
          #expect(server.connections.busy == 0)
        }
      }
    }

    /// The client has left far more unread than the system's buffers hold, so the answer goes on for as long as the
    /// client likes.
    @Test(.timeLimit(.minutes(10))) func stoppingFinishesRunningRequestsAndRefusesNewOnes() async throws {
      let service = try await picoService()
      var settings = HTTPServer.Settings()
      settings.port = 0
      (settings.receiveSeconds, settings.sendSeconds, settings.idleSeconds) = (300, 300, 300)
      let server = HTTPServer(service, settings: settings)
      let port = try await server.start()
      let body =
        #"{"model": "pico", "prompt": "1", "max_tokens": 900, "n": 64, "temperature": 2, "stream": true, "logprobs": 20}"#
      let stopped = Locked(false)
      async let running = offPool {
        let client = try RawClient(port: port)
        client.send(post("/v1/completions", body))
        var text = client.read { $0.contains("data: ") }
        eventually { stopped.withLock { $0 } }
        text += client.read { $0.hasSuffix("\r\n0\r\n\r\n") }
        return text
      }
      await eventually { service.engine.statistics.tokensDrawn > 0 }
      async let cut = server.stop(grace: 100)
      await eventually { service.admission.isDraining }
      let late = try await offPool {
        let client = try RawClient(port: port)
        client.send(post("/v1/completions", #"{"model": "pico", "prompt": "1"}"#))
        let answer = client.read()
        let health = try RawClient(port: port)
        health.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        return answer + health.read()
      }
      stopped.withLock { $0 = true }
      #expect(late.components(separatedBy: "HTTP/1.1 503 ").count == 3)
      #expect(late.contains("Retry-After"))
      let text = try await running
      #expect(text.contains("data: [DONE]") && !text.contains(#""error""#))
      #expect(await cut == 0)
    }
  }
#endif
