import ModelFiles
import TestSupport
import Testing

@testable import Processes

private struct Broken: Error, CustomStringConvertible {
  var description: String { "broken" }
}

/// What processes that work together agree on.
@Suite struct TogetherTests {
  @Test func allAgreeOnWhatAnyOrTheFirstSays() async throws {
    let found = await Meeting(3).run { member in
      [
        try member.any(member.rank == 2), try member.any(false), try member.first(member.rank == 0),
        try member.first(member.rank > 0),
      ]
    }
    for result in found { #expect(try result.get() == [true, false, true, false]) }
  }

  @Test func theLeastNumberIsEverybodys() async throws {
    for result in await Meeting(3).run({ try $0.least([7, -4, 9][$0.rank]) }) {
      #expect(try result.get() == -4)
    }
  }

  @Test func aShareIsEachPieceOnce() {
    let meeting = Meeting(3)
    #expect((0..<3).flatMap { Array(meeting.member($0).share(of: 7)) }.sorted() == Array(0..<7))
    #expect(Array(SingleProcess().share(of: 4)) == [0, 1, 2, 3])
  }

  /// One process tells what is wrong, and all end.
  @Test func aFailureOfOneEndsAll() async throws {
    let found = await Meeting(3).run { member in
      try member.together { if member.rank == 1 { throw Broken() } }
    }
    #expect(throws: FailedElsewhere.self) { try found[0].get() }
    #expect(throws: FailedElsewhere.self) { try found[2].get() }
    let error = #expect(throws: ProcessFailure.self) { try found[1].get() }
    #expect(error?.description == "rank 1 of 3 on host: broken")
  }

  @Test func anErrorThatAllHaveIsToldOnce() async throws {
    let found = await Meeting(2).run { member in try member.together { throw Broken() } }
    let error = #expect(throws: ProcessFailure.self) { try found[0].get() }
    #expect(error?.description == "broken" && error?.error is Broken)
    #expect(throws: FailedElsewhere.self) { try found[1].get() }
    #expect(throws: Broken.self) { try SingleProcess().together { throw Broken() } }
  }

  @Test func factsThatDifferAreNamed() async throws {
    let found = await Meeting(3).run { member in
      try member.compare([("base", "b"), ("data", member.rank == 2 ? "other" : "d")], advice: "Mend it.")
    }
    let error = #expect(throws: ProcessFailure.self) { try found[0].get() }
    #expect(
      error?.description
        == "rank 2 of 3 on host: found data other; expected d, as rank 0 of 3 on host has it. Mend it.")
    #expect((error?.error as? ProcessError)?.kind == .different)
    for other in found[1...] { #expect(throws: FailedElsewhere.self) { try other.get() } }
  }

  @Test func messagesKeepEveryBit() throws {
    let floats: [Float] = [.nan, -0.0, .infinity, Float(bitPattern: 714)]
    let message = Message { message in
      message.add(-3)
      message.add("a\u{0}ü")
      message.add([Int.min, .max])
      message.add([Double.leastNonzeroMagnitude, -0.0])
      message.add(floats)
    }
    var reader = MessageReader(message.bytes)
    #expect(try reader.int() == -3)
    #expect(try reader.text() == "a\u{0}ü")
    #expect(try reader.ints() == [.min, .max])
    #expect(try reader.doubles().map(\.bitPattern) == [1, 1 << 63])
    #expect(sameBits(try reader.floats(), floats))
  }

  /// A message that is cut short, or lies about a length, is an error.
  @Test func messagesThatAreTooShortAreRefused() {
    let whole = Message { $0.add([1.0, 2.0]) }.bytes
    for count in 0..<whole.count {
      var reader = MessageReader(Array(whole.prefix(count)))
      #expect(throws: ProcessError.self) { try reader.doubles() }
    }
    var reader = MessageReader(Message { $0.add(Int.max) }.bytes)
    #expect(throws: ProcessError.self) { try reader.text() }
  }

  @Test func launchersAreToldApart() throws {
    #expect(try Launch([:]) == .alone)
    #expect(try Launch(["OMPI_COMM_WORLD_SIZE": "4"]) == .openMPI)
    #expect(try Launch(["PMIX_RANK": "0"]) == .openMPI)
    #expect(try Launch(["PMI_SIZE": "1"]) == .alone)
    let error = #expect(throws: ProcessError.self) { try Launch(["PMI_SIZE": "4"]) }
    #expect(error?.kind == .launch && error?.found.contains("4 processes") == true)
    #expect(Launch.isOwn("OMPI_COMM_WORLD_RANK") && Launch.isOwn("PMIX_RANK"))
    #expect(!Launch.isOwn("OMPI_MCA_btl") && !Launch.isOwn("PATH"))
  }
}
