// The emulator as the Go SDK v2 sees it. ENDPOINT is where it listens.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var (
	background = context.Background()
	client     = sqs.New(sqs.Options{
		EndpointResolver: sqs.EndpointResolverFromURL(os.Getenv("ENDPOINT")),
		Region:           "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
)

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

func fails(err error, wanted interface{}) {
	if !errors.As(err, wanted) {
		panic(fmt.Sprintf("wanted %T, found %v", wanted, err))
	}
}

func create(name string, attributes map[string]string) *string {
	created, err := client.CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	check(err)
	return created.QueueUrl
}

func receive(url *string, wait int32) []types.Message {
	received, err := client.ReceiveMessage(background, &sqs.ReceiveMessageInput{
		QueueUrl:              url,
		MaxNumberOfMessages:   10,
		WaitTimeSeconds:       wait,
		AttributeNames:        []types.QueueAttributeName{"All"},
		MessageAttributeNames: []string{"All"},
	})
	check(err)
	return received.Messages
}

func send(url *string, body string) {
	_, err := client.SendMessage(background, &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
	check(err)
}

func messages(dead, jobs *string) {
	// Send, receive, delete. The SDK itself checks the digests of bodies.
	body := "h\u00e4llo \"w\u00f6rld\" \r\n\t<&> \U0001f600"
	_, err := client.SendMessage(background, &sqs.SendMessageInput{
		QueueUrl:    jobs,
		MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{
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
	remove := sqs.DeleteMessageInput{QueueUrl: jobs, ReceiptHandle: first[0].ReceiptHandle}
	_, err = client.DeleteMessage(background, &remove)
	check(err)
	equal(len(receive(jobs, 0)), 0)

	// A long poll ends when a message comes; a message that is let go comes back.
	waiting := make(chan []types.Message)
	go func() { waiting <- receive(dead, 20) }()
	send(dead, "at last")
	late := <-waiting
	equal(*late[0].Body, "at last")
	_, err = client.ChangeMessageVisibility(background, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: dead, ReceiptHandle: late[0].ReceiptHandle, VisibilityTimeout: 0,
	})
	check(err)
	again := receive(dead, 0)
	equal(again[0].Attributes["ApproximateReceiveCount"], "2")
	remove = sqs.DeleteMessageInput{QueueUrl: dead, ReceiptHandle: again[0].ReceiptHandle}
	_, err = client.DeleteMessage(background, &remove)
	check(err)
}

// Batches, whose entries fail one by one.
func batches(dead *string) {
	sent, err := client.SendMessageBatch(background, &sqs.SendMessageBatchInput{
		QueueUrl: dead,
		Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("good"), MessageBody: aws.String("good\r")},
			{Id: aws.String("bad"), MessageBody: aws.String("too late"), DelaySeconds: 901},
		},
	})
	check(err)
	equal(len(sent.Successful), 1)
	equal([]interface{}{*sent.Failed[0].Id, sent.Failed[0].SenderFault}, []interface{}{"bad", true})
	good := receive(dead, 0)
	equal(*good[0].Body, "good\r")
	deleted, err := client.DeleteMessageBatch(background, &sqs.DeleteMessageBatchInput{
		QueueUrl: dead,
		Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("good"), ReceiptHandle: good[0].ReceiptHandle},
			{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage")},
		},
	})
	check(err)
	equal(*deleted.Successful[0].Id, "good")
	equal(*deleted.Failed[0].Code, "ReceiptHandleIsInvalid")
}

func fifo() {
	url := create("go.fifo", map[string]string{"FifoQueue": "true"})
	for _, sent := range [][]string{{"a", "1"}, {"b", "2"}, {"a", "3"}, {"a", "3"}} {
		_, err := client.SendMessage(background, &sqs.SendMessageInput{
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

// Errors are caught by type.
func catch(jobs *string) {
	_, err := client.GetQueueUrl(background, &sqs.GetQueueUrlInput{QueueName: aws.String("go-nothing")})
	fails(err, new(*types.QueueDoesNotExist))
	remove := sqs.DeleteMessageInput{QueueUrl: jobs, ReceiptHandle: aws.String("garbage")}
	_, err = client.DeleteMessage(background, &remove)
	fails(err, new(*types.ReceiptHandleIsInvalid))
	other := map[string]string{"DelaySeconds": "7"}
	_, err = client.CreateQueue(background, &sqs.CreateQueueInput{QueueName: aws.String("go-jobs"), Attributes: other})
	fails(err, new(*types.QueueNameExists))
	empty := []types.SendMessageBatchRequestEntry{}
	_, err = client.SendMessageBatch(background, &sqs.SendMessageBatchInput{QueueUrl: jobs, Entries: empty})
	fails(err, new(*types.EmptyBatchRequest))
}

func main() {
	dead := create("go-dead", nil)
	asked := sqs.GetQueueAttributesInput{QueueUrl: dead, AttributeNames: []types.QueueAttributeName{"QueueArn"}}
	answered, err := client.GetQueueAttributes(background, &asked)
	check(err)
	policy := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, answered.Attributes["QueueArn"])
	jobs := create("go-jobs", map[string]string{"RedrivePolicy": policy, "VisibilityTimeout": "0"})
	messages(dead, jobs)
	batches(dead)
	send(jobs, "poison")
	equal(len(receive(jobs, 0)), 1)
	equal(len(receive(jobs, 0)), 0)
	equal(*receive(dead, 0)[0].Body, "poison")
	fifo()
	catch(jobs)
	fmt.Println("done")
}
