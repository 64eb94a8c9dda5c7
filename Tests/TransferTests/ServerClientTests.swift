import ModelFiles
import Synchronization
import TestSupport
import Testing
import Transfer

/// Requests to servers that fail, are busy, or want a key.
@Suite struct ServerClientTests {
  private static var quick: ServerClient.Pacing {
    var pacing = ServerClient.Pacing()
    pacing.firstDelay = 0.001
    pacing.attempts = 4
    return pacing
  }

  private func client(
    _ server: FakeServer, path: String = "", key: String? = nil, connections: Int = 1
  ) throws -> ServerClient {
    try ServerClient(server.address + path, key: key, connections: connections, pacing: Self.quick)
  }

  @Test(arguments: ["", "/", "/v1", "/v1/"])
  func theAddressMayEndInTheVersion(path: String) async throws {
    let server = try FakeServer { .reply(200, "{\"path\": \"\($0.target)\"}") }
    let client = try client(server, path: path)
    let reply = try await client.send("GET", ["v1", "models"])
    #expect(try client.json(reply).object?["path"]?.string == "/v1/models")
  }

  @Test(arguments: ["ftp://a", "a:8000", "http://a/?x=1", "http://user:word@a"])
  func otherTextsAreNoAddress(text: String) {
    #expect(throws: TransferError.self) { try ServerClient(text) }
  }

  @Test(arguments: [408, 429, 500, 502, 503, 504])
  func failuresThatMayPassAreTriedAgain(status: Int) async throws {
    let count = Mutex(0)
    let server = try FakeServer { _ in
      let number = count.withLock { count in
        count += 1
        return count
      }
      return number < 3 ? .reply(status, "{}") : .reply(200, "{}")
    }
    #expect(try await client(server).send("POST", ["x"], .bytes(Array("{}".utf8))).status == 200)
    #expect(server.requests.count == 3)
    #expect(server.requests.allSatisfy { $0.body.count == 2 && $0.method == "POST" })
  }

  @Test func whatWasRefusedIsNotTriedAgain() async throws {
    let server = try FakeServer { _ in .reply(400, #"{"error": {"message": "no", "param": "seed"}}"#) }
    let client = try client(server)
    let reply = try await client.send("GET", ["x"])
    #expect(server.requests.count == 1)
    #expect(ServerClient.parameter(reply) == "seed")
    #expect(client.refusal(reply).description.contains("status 400: no"))
    #expect(client.refusal(reply).kind == .refused(400))
  }

  @Test func aConnectionThatBreaksIsTriedAgainAndGivenUp() async throws {
    let count = Mutex(0)
    let server = try FakeServer { _ in
      let number = count.withLock { count in
        count += 1
        return count
      }
      return number == 1 ? .hangUp : .reply(200, "{}")
    }
    #expect(try await client(server).send("GET", ["x"]).status == 200)
    let dead = try FakeServer { _ in .hangUp }
    await #expect(throws: TransferError.self) { try await client(dead).send("GET", ["x"]) }
    #expect(dead.requests.count == 4)
  }

  @Test func aServerThatIsBusyForLongIsWaitedForAsLongAsItSays() async throws {
    // More often than an ordinary failure would be tried.
    let count = Mutex(0)
    let server = try FakeServer { _ in
      let number = count.withLock { count in
        count += 1
        return count
      }
      return number < 8 ? .reply(429, "{}", ["Retry-After": "0.001"]) : .reply(200, "{}")
    }
    #expect(try await client(server).send("GET", ["x"]).status == 200)
    let tooLong = try FakeServer { _ in .reply(503, "{}", ["Retry-After": "100000"]) }
    #expect(try await client(tooLong).send("GET", ["x"]).status == 503)
    #expect(tooLong.requests.count == 1)
  }

  @Test func theKeyGoesToTheServerAndIntoNoMessage() async throws {
    let server = try FakeServer { request in
      request.headers["authorization"] == "Bearer s3cret"
        ? .reply(401, #"{"error": "wrong key"}"#) : .reply(200, "{}")
    }
    let client = try client(server, key: "s3cret")
    let reply = try await client.send("GET", ["x"])
    let error = client.refusal(reply)
    #expect(error.kind == .forbidden && error.description.contains("wrong key"))
    #expect(!error.description.contains("s3cret"))
    let host = try FakeServer { _ in
      .reply(403, #"{"error": {"message": "a name given with --allow-host."}}"#)
    }
    let turnedAway = try self.client(host)
    #expect(
      turnedAway.refusal(try await turnedAway.send("GET", ["x"])).advice.contains("Start the server with"))
    let bad = #expect(throws: TransferError.self) { try ServerClient(server.address, key: "s3\nX: y") }
    #expect(bad?.description.contains("s3") == false)
  }

  @Test func manyConnectionsWorkAtOnce() async throws {
    let running = Mutex((now: 0, most: 0))
    let server = try FakeServer { _ in
      running.withLock { running in
        running.now += 1
        running.most = max(running.most, running.now)
      }
      // Until three are here, or nobody comes.
      eventually { running.withLock { $0.most >= 3 } }
      running.withLock { $0.now -= 1 }
      return .reply(200, "{}")
    }
    let client = try client(server, connections: 3)
    try await withThrowingTaskGroup(of: Int.self) { tasks in
      for _ in 0..<9 { tasks.addTask { try await client.send("GET", ["x"]).status } }
      for try await status in tasks { #expect(status == 200) }
    }
    #expect(running.withLock { $0.most } == 3)
  }

  @Test func cancellingEndsARequestThatNobodyAnswers() async throws {
    let isHere = Mutex(false)
    let isOver = Mutex(false)
    let server = try FakeServer { _ in
      isHere.withLock { $0 = true }
      eventually { isOver.withLock { $0 } }
      return .hangUp
    }
    let client = try client(server)
    let task = Task { try await client.send("GET", ["x"]) }
    await eventually { isHere.withLock { $0 } }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    isOver.withLock { $0 = true }
  }

  @Test func anotherServerIsNoTina() async throws {
    for body in ["{}", "no", #"{"tina": "1"}"#] {
      let server = try FakeServer { _ in .reply(200, body) }
      #expect(try await client(server).describe() == nil)
    }
    let server = try FakeServer { _ in .reply(404, "{}") }
    #expect(try await client(server).describe() == nil)
    let closed = try FakeServer { _ in .reply(401, "{}") }
    await #expect(throws: TransferError.self) { try await client(closed).describe() }
  }
}
