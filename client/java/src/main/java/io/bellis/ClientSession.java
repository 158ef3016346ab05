package io.bellis;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The client's side of the protocol: requests, which may be open at the same time, and their
 * answers. When the broker was started again, or the connection is another one, it says hello again
 * and sends all open requests again, watches included.
 */
final class ClientSession extends Conversation {
  /** How a request goes on. */
  static final class Request {
    private final byte[] message;
    private Object answer;
    private BrokerException refusal;
    private JobStatus news;
    private JobStatus end;

    Request(byte[] message) {
      this.message = message;
    }

    /** Null: not yet. Throws what the broker refuses it with. */
    Object answer() {
      if (refusal != null) {
        throw refusal;
      }
      return answer;
    }

    /** What is known of the job since the last call; null: nothing new. */
    JobStatus takeNews() {
      JobStatus taken = news;
      news = null;
      return taken;
    }

    /** How the job has ended; null: not yet. Throws what the broker refuses the watch with. */
    JobStatus end() {
      answer();
      return end;
    }
  }

  private final Access access;
  private final long patienceNs;
  private final Map<Long, Request> open = new LinkedHashMap<>();
  private long lastRequest;
  private long nonce;
  private String broker = "";

  ClientSession(Access access, long connectTimeoutMs, long now) {
    super(access, now);
    this.access = access;
    patienceNs = connectTimeoutMs * BootClock.MS;
    sayHello(now);
  }

  String broker() {
    return broker;
  }

  /** Sends a request. Refused with {@code too_large}, changing nothing, above 1 MiB. */
  Request request(String kind, Map<String, Object> fields) {
    Map<String, Object> numbered = new LinkedHashMap<>();
    numbered.put("req", lastRequest + 1);
    numbered.putAll(fields);
    byte[] message = Codec.encode(kind, numbered);
    if (message.length > Codec.MESSAGE_BYTES_MAX) {
      throw new BrokerException(
          "too_large",
          "the %s has %d bytes as a message: at most 1 MiB is taken"
              .formatted(kind, message.length));
    }
    Request request = new Request(message);
    open.put(++lastRequest, request);
    if (isWelcomed()) {
      send(message);
    }
    return request;
  }

  /** Nobody waits for the answer any more. */
  void forget(Request request) {
    open.values().remove(request);
  }

  @Override
  String task() {
    return "";
  }

  @Override
  void handle(Message message, long now) {
    if (message instanceof Message.Welcome welcome) {
      if (!isWelcomed()) {
        welcomed(welcome);
        broker = welcome.broker();
        open.values().forEach(request -> send(request.message));
      }
    } else if (message instanceof Message.Answer answer) {
      Request request = open.remove(answer.req());
      if (request != null) {
        request.answer = answer.value();
      }
    } else if (message instanceof Message.Progress progress) {
      Request request = open.get(progress.req());
      if (request != null) {
        request.news = progress.status();
      }
    } else if (message instanceof Message.Ended ended) {
      Request request = open.remove(ended.req());
      if (request != null) {
        request.end = ended.status();
      }
    } else if (message instanceof Message.Refused refused) {
      onError(refused, now);
    }
  }

  private void onError(Message.Refused error, long now) {
    Request request = open.get(error.req());
    if (error.code().equals("hello_first")) {
      if (isWelcomed()) {
        sayHello(now);
      }
    } else if (request != null) {
      open.remove(error.req());
      request.refusal = error.exception();
    } else {
      fail(error.exception());
    }
  }

  @Override
  void hello(long now) {
    send("hello", Hello.of("client", access));
  }

  @Override
  void pingBroker(long now) {
    send("ping", Map.of("nonce", ++nonce));
  }

  @Override
  long helloEvery() {
    return SILENCE;
  }

  @Override
  long patience() {
    return wasWelcomed() ? Long.MAX_VALUE : patienceNs;
  }

  @Override
  void ended() {
    open.clear();
  }
}
