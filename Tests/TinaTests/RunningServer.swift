import Foundation
import TestSupport
import Transfer

/// A `tina serve` with Pico on a free port, as long as the object lives.
final class RunningServer: Sendable {
  let port: UInt16
  private let process: Process
  var address: String { "http://127.0.0.1:\(port)" }

  /// - Parameter model: the base.
  init(
    _ arguments: [String], model: String = pico, environment: [String: String] = [:], fileLimit: Int? = nil
  )
    throws
  {
    // Nobody else takes a port that was just free.
    let (socket, port) = try Socket.listen()
    Socket.close(socket)
    self.port = port
    process = try Program.start(
      ["serve", model, "--port", "\(port)", "--quiet"] + arguments, environment: environment,
      fileLimit: fileLimit)
  }

  deinit { kill() }

  /// Waits until it answers.
  func isUp() async throws {
    var pacing = ServerClient.Pacing()
    (pacing.attempts, pacing.firstDelay, pacing.longestDelay) = (600, 0.1, 0.1)
    let reply = try await ServerClient(address, pacing: pacing).send("GET", ["health"], idleSeconds: 60)
    guard reply.status == 200 else { throw CancellationError() }
  }

  /// Ends it at once, as a machine that fails.
  func kill() {
    if process.isRunning { _ = Foundation.kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }
}
