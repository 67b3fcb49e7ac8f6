// The emulator as the Go SDK v1 sees it. ENDPOINT is where it listens.
package main

import (
	"fmt"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sqs"
)

var client = sqs.New(session.Must(session.NewSession(&aws.Config{
	Endpoint:    aws.String(os.Getenv("ENDPOINT")),
	Region:      aws.String("us-east-1"),
	Credentials: credentials.NewStaticCredentials("local", "local", ""),
})))

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(found, wanted interface{}) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("wanted %#v, found %#v", wanted, found))
	}
}

func fails(err error, code string) {
	known, ok := err.(awserr.Error)
	if !ok || known.Code() != code {
		panic(fmt.Sprintf("wanted %s, found %v", code, err))
	}
}

func create(name string, attributes map[string]*string) *string {
	created, err := client.CreateQueue(&sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	check(err)
	return created.QueueUrl
}

func receive(url *string, wait int64) []*sqs.Message {
	received, err := client.ReceiveMessage(&sqs.ReceiveMessageInput{
		QueueUrl:              url,
		MaxNumberOfMessages:   aws.Int64(10),
		WaitTimeSeconds:       &wait,
		AttributeNames:        aws.StringSlice([]string{"All"}),
		MessageAttributeNames: aws.StringSlice([]string{"All"}),
	})
	check(err)
	return received.Messages
}

func send(url *string, body string) {
	_, err := client.SendMessage(&sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
	check(err)
}

func messages(dead, jobs *string) {
	// Send, receive, delete. The SDK itself checks the digests of bodies.
	body := "h\u00e4llo \"w\u00f6rld\" \r\n\t<&> \U0001f600"
	_, err := client.SendMessage(&sqs.SendMessageInput{
		QueueUrl:    jobs,
		MessageBody: &body,
		MessageAttributes: map[string]*sqs.MessageAttributeValue{
			"color": {DataType: aws.String("String"), StringValue: aws.String("r\u00f6d\r")},
			"blob":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
		},
	})
	check(err)
	first := receive(jobs, 1)
	equal(len(first), 1)
	equal(*first[0].Body, body)
	equal(*first[0].MessageAttributes["color"].StringValue, "r\u00f6d\r")
	equal(first[0].MessageAttributes["blob"].BinaryValue, []byte{0, 255})
	_, err = client.DeleteMessage(&sqs.DeleteMessageInput{QueueUrl: jobs, ReceiptHandle: first[0].ReceiptHandle})
	check(err)
	equal(len(receive(jobs, 0)), 0)

	// A long poll ends when a message comes; a message that is let go comes back.
	waiting := make(chan []*sqs.Message)
	go func() { waiting <- receive(dead, 20) }()
	send(dead, "at last")
	late := <-waiting
	equal(*late[0].Body, "at last")
	_, err = client.ChangeMessageVisibility(&sqs.ChangeMessageVisibilityInput{
		QueueUrl: dead, ReceiptHandle: late[0].ReceiptHandle, VisibilityTimeout: aws.Int64(0),
	})
	check(err)
	again := receive(dead, 0)
	equal(*again[0].Attributes["ApproximateReceiveCount"], "2")
	_, err = client.DeleteMessage(&sqs.DeleteMessageInput{QueueUrl: dead, ReceiptHandle: again[0].ReceiptHandle})
	check(err)
}

// Batches, whose entries fail one by one.
func batches(dead *string) {
	sent, err := client.SendMessageBatch(&sqs.SendMessageBatchInput{
		QueueUrl: dead,
		Entries: []*sqs.SendMessageBatchRequestEntry{
			{Id: aws.String("good"), MessageBody: aws.String("good\r")},
			{Id: aws.String("bad"), MessageBody: aws.String("too late"), DelaySeconds: aws.Int64(901)},
		},
	})
	check(err)
	equal(len(sent.Successful), 1)
	equal([]interface{}{*sent.Failed[0].Id, *sent.Failed[0].SenderFault}, []interface{}{"bad", true})
	good := receive(dead, 0)
	equal(*good[0].Body, "good\r")
	deleted, err := client.DeleteMessageBatch(&sqs.DeleteMessageBatchInput{
		QueueUrl: dead,
		Entries: []*sqs.DeleteMessageBatchRequestEntry{
			{Id: aws.String("good"), ReceiptHandle: good[0].ReceiptHandle},
			{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage")},
		},
	})
	check(err)
	equal(*deleted.Successful[0].Id, "good")
	equal(*deleted.Failed[0].Code, "ReceiptHandleIsInvalid")
}

func fifo() {
	url := create("go.fifo", map[string]*string{"FifoQueue": aws.String("true")})
	for _, sent := range [][]string{{"a", "1"}, {"b", "2"}, {"a", "3"}, {"a", "3"}} {
		_, err := client.SendMessage(&sqs.SendMessageInput{
			QueueUrl: url, MessageBody: &sent[1], MessageGroupId: &sent[0], MessageDeduplicationId: &sent[1],
		})
		check(err)
	}
	bodies := []string{}
	for _, message := range receive(url, 0) {
		bodies = append(bodies, *message.Body)
	}
	equal(bodies, []string{"1", "3", "2"})
}

// Errors are caught by code. An empty batch arrives as one entry without an id.
func errors(jobs *string) {
	_, err := client.GetQueueUrl(&sqs.GetQueueUrlInput{QueueName: aws.String("go-nothing")})
	fails(err, sqs.ErrCodeQueueDoesNotExist)
	_, err = client.DeleteMessage(&sqs.DeleteMessageInput{QueueUrl: jobs, ReceiptHandle: aws.String("garbage")})
	fails(err, sqs.ErrCodeReceiptHandleIsInvalid)
	other := map[string]*string{"DelaySeconds": aws.String("7")}
	_, err = client.CreateQueue(&sqs.CreateQueueInput{QueueName: aws.String("go-jobs"), Attributes: other})
	fails(err, sqs.ErrCodeQueueNameExists)
	empty := []*sqs.SendMessageBatchRequestEntry{}
	_, err = client.SendMessageBatch(&sqs.SendMessageBatchInput{QueueUrl: jobs, Entries: empty})
	fails(err, "MissingParameter")
}

func main() {
	dead := create("go-dead", nil)
	asked := sqs.GetQueueAttributesInput{QueueUrl: dead, AttributeNames: aws.StringSlice([]string{"QueueArn"})}
	answered, err := client.GetQueueAttributes(&asked)
	check(err)
	policy := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, *answered.Attributes["QueueArn"])
	jobs := create("go-jobs", map[string]*string{"RedrivePolicy": &policy, "VisibilityTimeout": aws.String("0")})
	messages(dead, jobs)
	batches(dead)
	send(jobs, "poison")
	equal(len(receive(jobs, 0)), 1)
	equal(len(receive(jobs, 0)), 0)
	equal(*receive(dead, 0)[0].Body, "poison")
	fifo()
	errors(jobs)
	fmt.Println("done")
}
