#if Server
  import Foundation
  import Support
  import TestSupport
  import Testing

  @testable import Serving

  extension HTTPTests {
    @Test func headsAreRefusedBeforeTheirTextsAreLookedAt() async throws {
      try await withServer({ $0.maxBodyBytes = 1000 }) { port, _, _ in
        try await offPool {
          let run = combiningRun(70 << 10)
          let small = combiningRun(8000)
          let cases: [(String, Int)] = [
            ("GET /v1/models HTTP/1.1\r\nHost: \(run)\r\n\r\n", 431),
            ("GET /v1/models HTTP/1.1\r\nHost: \(small)\r\n\r\n", 403),
            ("GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
            ("GET /\(String(repeating: "a", count: 90_000)) HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
            (
              "GET / HTTP/1.1\r\nHost: localhost\r\n" + String(repeating: "A: b\r\n", count: 200) + "\r\n",
              431
            ),
            ("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nExpect: \(small)\r\n\r\n", 417),
            (
              "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775808\r\n\r\n", 413
            ),
            ("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n\r\n", 415),
            ("GET http://localhost:\(port)/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200),
            ("GET HTTP://127.0.0.1/v1/models?x HTTP/1.1\r\nHost: x\r\n\r\n", 200),
            ("GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
            ("GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
          ]
          for (text, status) in cases {
            let client = try RawClient(port: port)
            client.send(text)
            let reply = client.read { $0.hasSuffix("}") || $0.hasSuffix("</html>\n") }
            #expect(reply.hasPrefix("HTTP/1.1 \(status) "), "\(text.prefix(60)): \(reply.prefix(80))")
          }
        }
      }
    }

    /// The time of a request begins with its first byte: neither more of its head nor a whole head begins it again.
    @Test func aSlowRequestHasOneDeadline() async throws {
      try await withServer({ $0.receiveSeconds = 1 }) { port, _, _ in
        try await offPool {
          let head = "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
          for begin in [head + "X: ", head + "Content-Length: 2000\r\n\r\n"] {
            let client = try RawClient(port: port)
            client.send(begin)
            var pieces = 0
            while pieces < 1000, client.send("1") {
              usleep(100_000)
              pieces += 1
            }
            #expect((1..<1000).contains(pieces))
            #expect(client.read() == "")
          }
        }
      }
    }

    /// Health and metrics are answered where they arrive, while long work waits for its turn.
    @Test func healthWaitsForNobody() async throws {
      try await withServer { port, service, _ in
        let gate = DispatchSemaphore(value: 0)
        let threads = 2 * min(max(ProcessInfo.processInfo.activeProcessorCount / 4, 1), 4)
        var blocked: [Task<Void, any Error>] = []
        for _ in 0..<threads { blocked.append(await service.work.occupied(bytes: 1 << 16, until: gate)) }
        try await offPool {
          let busy = try RawClient(port: port)
          busy.send(
            post(
              "/tokenize", #"{"prompt": "\#(String(repeating: "a", count: 100_000))"}"#,
              "Connection: close\r\n"))
          eventually { service.work.waiting > 0 }
          for path in ["/health", "/metrics"] {
            let client = try RawClient(port: port)
            client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(client.read { $0.contains("ok") || $0.contains("tina_build_info") }.contains("200 OK"))
          }
          for _ in 0..<threads { gate.signal() }
          #expect(busy.read().contains(#""count":"#))
        }
        for task in blocked { try await task.value }
      }
    }

    /// A client that leaves takes its work with it.
    @Test func leaversDropTheirWork() async throws {
      try await withServer { port, service, server in
        let gate = DispatchSemaphore(value: 0)
        let blocked = await service.work.occupied(bytes: 1 << 20, until: gate)
        try await offPool {
          let client = try RawClient(port: port)
          client.send(post("/tokenize", #"{"prompt": "\#(String(repeating: "a", count: 100_000))"}"#))
          eventually { service.work.waiting > 0 }
          client.leave()
          eventually { service.work.waiting == 0 && server.connections.busy == 0 }
          #expect(service.work.waiting == 0 && server.connections.busy == 0)
        }
        gate.signal()
        try await blocked.value
      }
    }

    @Test func aFullServerTellsSoAndPutsSilentOnesOut() async throws {
      let notes = Lines()
      try await withServer({
        $0.maxConnections = 2
        $0.note = { notes.add($0) }
      }) { port, _, server in
        try await offPool {
          func ask(_ path: String) throws -> String {
            let client = try RawClient(port: port)
            client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return client.read { $0.hasSuffix("}") }
          }
          let used = try (0..<2).map { _ in try RawClient(port: port) }
          for client in used {
            client.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(client.read { $0.hasSuffix("}") }.contains("200 OK"))
          }
          #expect(try ask("/health").contains("200 OK"))
          let refused = try ask("/v1/models")
          #expect(refused.contains("503 ") && refused.contains("too_many_connections"))
          #expect(refused.contains("Retry-After"))
          used[0].leave()
          eventually { server.connections.count == 1 }
          let silent = try RawClient(port: port)
          eventually { server.connections.count == 2 }
          usleep(1_100_000)
          #expect(try ask("/v1/models").contains("200 OK"))
          #expect(silent.read() == "")
          used[1].send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
          #expect(used[1].read { $0.hasSuffix("}") }.contains("200 OK"))
        }
      }
      #expect(notes.all.count == 1)
    }
  }

  @Suite struct DescriptorBudgetTests {
    @Test func connectionsFitIntoTheDescriptorsThereAre() {
      let small = DescriptorBudget(wanted: 1024, soft: 1024, held: 24)
      #expect(small.connections == 1024 - 24 - DescriptorBudget.reserve - DescriptorBudget.extra)
      #expect(small.note?.contains("1024 files") == true)
      #expect(
        DescriptorBudget(wanted: 1024, soft: 65536, held: 24)
          == DescriptorBudget(wanted: 1024, soft: .max / 2, held: 9))
      #expect(DescriptorBudget(wanted: 1024, soft: 50, held: 24).connections == 1)
    }
  }

  @Suite struct ListeningAddressTests {
    @Test func loopbackIsKnownInAnySpelling() {
      for host in [
        "127.0.0.1", "127.0.0.2", "127.255.1.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.3", "LocalHost",
      ] {
        #expect(ListeningAddress.isLoopback(host), "\(host)")
      }
      for host in ["0.0.0.0", "::", "128.0.0.1", "127.example.org", "192.168.0.1", "::ffff:10.0.0.1", ""] {
        #expect(!ListeningAddress.isLoopback(host), "\(host)")
      }
    }
  }
#endif
