# The emulator as the Ruby SDK v1 sees it, whose Host header has no port. ENDPOINT is where it listens.

require "uri"
require "aws-sdk"

endpoint = URI(ENV.fetch("ENDPOINT"))
sqs = AWS::SQS.new(
  sqs_endpoint: endpoint.host,
  sqs_port: endpoint.port,
  use_ssl: false,
  access_key_id: "local",
  secret_access_key: "local",
)

def equal(found, wanted)
  raise "wanted #{wanted.inspect}, found #{found.inspect}" unless found == wanted
end

def fails(error)
  yield
rescue error => caught
  caught
else
  raise "no #{error}"
end

# Create, send, receive, delete. The SDK itself checks the digests of bodies.
dead = sqs.queues.create("ruby-dead")
policy = %({"deadLetterTargetArn":"#{dead.arn}","maxReceiveCount":"1"})
url = sqs.client.create_queue(queue_name: "ruby-jobs", attributes: { "RedrivePolicy" => policy })[:queue_url]
jobs = sqs.queues[url]
equal jobs.exists?, true
equal sqs.queues.named("ruby-jobs").url, url
equal sqs.queues.with_prefix("ruby-").map(&:url).sort, [dead.url, url]
body = "h\u00e4llo \"w\u00f6rld\" \r\n\t<&> \u{1f600}"
sent = jobs.send_message(body, message_attributes: {
  "color" => { string_value: "r\u00f6d\r", data_type: "String" },
  "blob" => { binary_value: "\x00\xff".b, data_type: "Binary" },
})
equal sent.md5, Digest::MD5.hexdigest(body)
message = jobs.receive_message(attributes: [:all], message_attribute_names: ["All"], wait_time_seconds: 1)
equal message.body, body
equal message.message_attributes["color"][:string_value], "r\u00f6d\r"
equal message.message_attributes["blob"][:binary_value].b, "\x00\xff".b
equal message.receive_count, 1
message.delete
equal jobs.receive_message, nil

# A long poll ends when a message comes; a message that is let go comes back.
waiting = Thread.new { dead.receive_message(wait_time_seconds: 20) }
dead.send_message("at last")
message = waiting.value
equal message.body, "at last"
message.visibility_timeout = 0
message = dead.receive_message(attributes: [:receive_count])
equal message.receive_count, 2
message.delete

# Batches, whose entries fail one by one.
error = fails(AWS::SQS::Errors::BatchSendError) do
  dead.batch_send({ message_body: "good\r" }, { message_body: "delayed for too long", delay_seconds: 901 })
end
equal error.sent.length, 1
equal error.failures.map { |entry| [entry[:message_body], entry[:sender_fault]] }, [["delayed for too long", true]]
good, = dead.receive_message(limit: 10)
equal good.body, "good\r"
dead.batch_change_visibility(60, [good])
error = fails(AWS::SQS::Errors::BatchDeleteError) { dead.batch_delete(good, "garbage") }
equal error.failures.map { |entry| entry[:error_code] }, ["ReceiptHandleIsInvalid"]
equal dead.approximate_number_of_messages_not_visible, 0

# A dead letter.
jobs.send_message("poison")
equal jobs.receive_message(visibility_timeout: 0).body, "poison"
equal jobs.receive_message, nil
dead.poll(idle_timeout: 1, wait_time_seconds: 1) { |letter| equal letter.body, "poison" }
equal dead.approximate_number_of_messages_not_visible, 0

# FIFO queues are younger than this SDK. Errors are caught by class.
fails(AWS::SQS::Errors::NonExistentQueue) { sqs.queues.named("ruby-nothing") }
fails(AWS::SQS::Errors::ReceiptHandleIsInvalid) do
  sqs.client.delete_message(queue_url: url, receipt_handle: "garbage")
end
fails(AWS::SQS::Errors::QueueAlreadyExists) { sqs.queues.create("ruby-jobs", delay_seconds: 7) }
jobs.delete
equal jobs.exists?, false

puts "done"
