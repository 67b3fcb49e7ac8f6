<?php
// The emulator as async-aws sees it. ENDPOINT is where it listens; Debian's packages are on PHP's include path.

require_once 'AsyncAws/Sqs/autoload.php';

use AsyncAws\Core\Exception\Http\ClientException;
use AsyncAws\Sqs\Exception\QueueDoesNotExistException;
use AsyncAws\Sqs\Exception\QueueNameExistsException;
use AsyncAws\Sqs\Exception\ReceiptHandleIsInvalidException;
use AsyncAws\Sqs\SqsClient;

function equal($found, $wanted): void
{
    if ($found !== $wanted) {
        throw new Exception('wanted '.var_export($wanted, true).', found '.var_export($found, true));
    }
}

function fails(string $class, string $code, int $status, callable $does): void
{
    try {
        $does();
    } catch (ClientException $error) {
        equal(get_class($error), $class);
        equal($error->getAwsCode(), $code);
        equal($error->getResponse()->getStatusCode(), $status);

        return;
    }
    throw new Exception("no error where there should be $code");
}

$sqs = new SqsClient([
    'endpoint' => getenv('ENDPOINT'),
    'region' => 'us-east-1',
    'accessKeyId' => 'local',
    'accessKeySecret' => 'local',
]);
$receive = fn (string $url, array $options = []): array => $sqs->receiveMessage([
    'QueueUrl' => $url,
    'MaxNumberOfMessages' => 10,
    'AttributeNames' => ['All'],
    'MessageAttributeNames' => ['All'],
] + $options)->getMessages();

// Create, send, receive, delete, with what is hard to write in XML.
$dead = $sqs->createQueue(['QueueName' => 'php-dead', 'tags' => ['team' => 'photos']])->getQueueUrl();
$attributes = $sqs->getQueueAttributes(['QueueUrl' => $dead, 'AttributeNames' => ['QueueArn']])->getAttributes();
$policy = json_encode(['deadLetterTargetArn' => $attributes['QueueArn'], 'maxReceiveCount' => 1]);
$jobs = $sqs->createQueue(['QueueName' => 'php-jobs', 'Attributes' => ['RedrivePolicy' => $policy]])->getQueueUrl();
$body = "h\u{e4}llo \"w\u{f6}rld\" \r\n\t<&> \u{1f600}";
$sent = $sqs->sendMessage([
    'QueueUrl' => $jobs,
    'MessageBody' => $body,
    'MessageAttributes' => [
        'color' => ['DataType' => 'String', 'StringValue' => "r\u{f6}d\r"],
        'blob' => ['DataType' => 'Binary', 'BinaryValue' => "\x00\xff"],
    ],
]);
equal($sent->getMD5OfMessageBody(), md5($body));
[$message] = $receive($jobs);
equal($message->getBody(), $body);
equal($message->getMD5OfBody(), md5($body));
equal($message->getMD5OfMessageAttributes(), $sent->getMD5OfMessageAttributes());
equal($message->getMessageAttributes()['color']->getStringValue(), "r\u{f6}d\r");
equal($message->getMessageAttributes()['blob']->getBinaryValue(), "\x00\xff");
equal($message->getAttributes()['ApproximateReceiveCount'], '1');
$sqs->deleteMessage(['QueueUrl' => $jobs, 'ReceiptHandle' => $message->getReceiptHandle()])->resolve();
equal($receive($jobs), []);

// A long poll ends when a message comes: nothing blocks before a result is read.
$waiting = $sqs->receiveMessage(['QueueUrl' => $dead, 'WaitTimeSeconds' => 20]);
$sqs->sendMessage(['QueueUrl' => $dead, 'MessageBody' => 'at last'])->resolve();
[$message] = $waiting->getMessages();
equal($message->getBody(), 'at last');
$handle = $message->getReceiptHandle();
$sqs->changeMessageVisibility(['QueueUrl' => $dead, 'ReceiptHandle' => $handle, 'VisibilityTimeout' => 0])->resolve();
[$message] = $receive($dead);
equal($message->getAttributes()['ApproximateReceiveCount'], '2');
$sqs->deleteMessage(['QueueUrl' => $dead, 'ReceiptHandle' => $message->getReceiptHandle()])->resolve();

// Batches, whose entries fail one by one.
$answer = $sqs->sendMessageBatch(['QueueUrl' => $dead, 'Entries' => [
    ['Id' => 'good', 'MessageBody' => 'good'],
    ['Id' => 'bad', 'MessageBody' => 'delayed for too long', 'DelaySeconds' => 901],
]]);
equal(array_map(fn ($entry) => $entry->getId(), $answer->getSuccessful()), ['good']);
equal(array_map(fn ($entry) => [$entry->getId(), $entry->getSenderFault()], $answer->getFailed()), [['bad', true]]);
[$message] = $receive($dead);
$answer = $sqs->deleteMessageBatch(['QueueUrl' => $dead, 'Entries' => [
    ['Id' => 'good', 'ReceiptHandle' => $message->getReceiptHandle()],
    ['Id' => 'bad', 'ReceiptHandle' => 'garbage'],
]]);
equal(array_map(fn ($entry) => $entry->getId(), $answer->getSuccessful()), ['good']);
equal(array_map(fn ($entry) => $entry->getCode(), $answer->getFailed()), ['ReceiptHandleIsInvalid']);

// A dead letter.
$sqs->sendMessage(['QueueUrl' => $jobs, 'MessageBody' => 'poison'])->resolve();
equal(count($receive($jobs, ['VisibilityTimeout' => 0])), 1);
equal($receive($jobs), []);
equal($receive($dead)[0]->getBody(), 'poison');

// FIFO.
$fifo = $sqs->createQueue(['QueueName' => 'php.fifo', 'Attributes' => ['FifoQueue' => 'true']])->getQueueUrl();
foreach ([['a', '1'], ['b', '2'], ['a', '3'], ['a', '3']] as [$group, $body]) {
    $sqs->sendMessage([
        'QueueUrl' => $fifo,
        'MessageBody' => $body,
        'MessageGroupId' => $group,
        'MessageDeduplicationId' => $body,
    ])->resolve();
}
equal(array_map(fn ($message) => $message->getBody(), $receive($fifo)), ['1', '3', '2']);

// Errors are caught by class, and a waiter tells whether a queue exists.
equal($sqs->queueExists(['QueueName' => 'php-jobs'])->isSuccess(), true);
fails(
    QueueDoesNotExistException::class,
    'AWS.SimpleQueueService.NonExistentQueue',
    400,
    fn () => $sqs->getQueueUrl(['QueueName' => 'php-nothing'])->getQueueUrl()
);
fails(
    ReceiptHandleIsInvalidException::class,
    'ReceiptHandleIsInvalid',
    404,
    fn () => $sqs->changeMessageVisibility(
        ['QueueUrl' => $jobs, 'ReceiptHandle' => 'garbage', 'VisibilityTimeout' => 0]
    )->resolve()
);
fails(
    QueueNameExistsException::class,
    'QueueAlreadyExists',
    400,
    fn () => $sqs->createQueue(['QueueName' => 'php-jobs', 'Attributes' => ['DelaySeconds' => '7']])->resolve()
);

echo "done\n";
